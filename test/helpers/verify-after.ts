/** The full check of a data directory at the end of a test that opened it. */
import type { Test } from 'tap';
import { verifyDirectory } from '../../src/engine/index.ts';

/** Fails the test when there is damage in `directory` after it. The engine must be closed by then. */
export function verifyAfter(t: Pick<Test, 'teardown'>, directory: string): void {
  t.teardown(async () => {
    const report = await verifyDirectory({ directory });
    if (report.ok) return;
    const damage = report.findings.filter(({ severity }) => severity === 'damage');
    throw new Error(`${directory} is damaged after the test: ${JSON.stringify(damage, null, 2)}`);
  });
}
