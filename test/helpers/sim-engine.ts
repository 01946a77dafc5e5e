/** A simulated log of a test: after the test that opened it, it is closed and its data directory verified. */
import t from 'tap';
import type { SettingValue } from '../../src/engine/common/settings.ts';
import { DIRECTORY, SimLog } from './sim-log.ts';
import { verifyNow } from './verify-after.ts';

const opened: SimEngine[] = [];

t.afterEach(async (each) => {
  // An inner test may use what the one around it opened.
  if (each.parent === t) for (const log of opened.splice(0)) await log.finish();
});

export class SimEngine extends SimLog {
  static async open(settings?: Record<string, SettingValue>): Promise<SimEngine> {
    const log = new SimEngine(settings);
    await log.start();
    return log;
  }

  override async start(): Promise<void> {
    if (!opened.includes(this)) opened.push(this);
    await super.start();
  }

  /** For a test that damages its log: it is not verified. */
  leaveDamaged(): void {
    const at = opened.indexOf(this);
    if (at >= 0) opened.splice(at, 1);
  }

  async finish(): Promise<void> {
    this.syncs.release();
    // One that is fenced, or was killed, need not close; what it left is judged all the same.
    await this.engine.close().catch(() => {});
    await verifyNow(DIRECTORY, this.disk);
  }
}
