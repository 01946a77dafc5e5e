/**
 * The engine keeps its promises through crashes, errors and damage of every kind. That these tests would notice if it
 * did not is shown in planted-bugs.test.ts.
 */
import { testScenarios } from './crash-suite.ts';
import { ENGINE_SCENARIOS } from './engine-scenarios.ts';

await testScenarios(ENGINE_SCENARIOS, 80);
