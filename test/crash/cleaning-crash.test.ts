/**
 * So it does while logs are compacted, recompressed and shortened by the passes that run in the background, and whatever
 * ends them half way.
 */
import { CLEANING_SCENARIOS } from './cleaning-scenarios.ts';
import { testScenarios } from './crash-suite.ts';

await testScenarios(CLEANING_SCENARIOS, 60);
