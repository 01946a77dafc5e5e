/**
 * What is sent again is stored once: after refusals, failures, crashes and damage, by producers that number their batches and
 * by requests with idempotency keys.
 */
import { testScenarios } from './crash-suite.ts';
import { PRODUCER_SCENARIOS } from './producer-scenarios.ts';

await testScenarios(PRODUCER_SCENARIOS, 40);
