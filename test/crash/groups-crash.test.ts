/** Consumer groups keep what they have told: members, who reads what, and committed offsets, through crashes and failures. */
import { testScenarios } from './crash-suite.ts';
import { GROUP_SCENARIOS } from './group-scenarios.ts';

await testScenarios(GROUP_SCENARIOS, 40);
