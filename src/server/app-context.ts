/** What the routes work with; made once by buildApp. */
import type { Logger } from '../engine/index.ts';
import type { BodyLimits } from './body-reader.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { ServerMetrics } from './metrics.ts';
import type { ServerSettings } from './settings.ts';

export interface AppContext {
  readonly lifecycle: Lifecycle;
  readonly settings: ServerSettings;
  readonly logger: Logger;
  readonly metrics: ServerMetrics;
  readonly bodyLimits: BodyLimits;
  readonly version: string;
}
