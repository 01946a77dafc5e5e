import t from 'tap';
import { TextPacker } from '../../src/cli/batch-packer.ts';
import { ServerError } from '../../src/cli/errors.ts';
import type { ProduceBatch } from '../../src/cli/produce-batch.ts';
import { ProduceLane } from '../../src/cli/produce-lane.ts';

/** A lane whose sends are settled by hand. */
function laneWithHand(limitBytes: number) {
  const sent: { body: string; settle: PromiseWithResolvers<void> }[] = [];
  const failures: unknown[] = [];
  const send = (batch: ProduceBatch) => {
    const settle = Promise.withResolvers<void>();
    sent.push({ body: batch.body().toString(), settle });
    return settle.promise;
  };
  const lane = new ProduceLane(limitBytes, send, (error) => void failures.push(error));
  const packer = new TextPacker();
  lane.begin('input', packer);
  return { lane, packer, sent, failures, bodies: () => sent.map((each) => each.body) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

t.test('one request is under way at a time, and what gathers meanwhile is the next', async (t) => {
  const { lane, packer, sent, bodies } = laneWithHand(100);
  packer.push(Buffer.from('1\n'));
  await lane.room();
  packer.push(Buffer.from('2\n'));
  await lane.room();
  packer.push(Buffer.from('3\n'));
  await lane.room();
  t.same(bodies(), ['1\n'], 'the others wait');
  sent[0]!.settle.resolve();
  await settled();
  t.same(bodies(), ['1\n', '2\n3\n'], 'they go together, without a further push');
  const drained = lane.drained();
  sent[1]!.settle.resolve();
  await drained;
});

t.test('there is no room while a full batch waits', async (t) => {
  const { lane, packer, sent } = laneWithHand(4);
  packer.push(Buffer.from('1\n'));
  await lane.room();
  packer.push(Buffer.from('2\n3\n'));
  let roomy = false;
  const room = lane.room().then(() => {
    roomy = true;
  });
  await settled();
  t.equal(roomy, false);
  sent[0]!.settle.resolve();
  await room;
  t.equal(sent.length, 2);
  sent[1]!.settle.resolve();
  await lane.drained();
});

t.test('a batch that is too large is split, in order, and later ones are smaller', async (t) => {
  const bodies: string[] = [];
  const send = async (batch: ProduceBatch) => {
    if (batch.inputBytes > 4) throw new ServerError(413, { code: 'record_too_large' });
    bodies.push(batch.body().toString());
  };
  const lane = new ProduceLane(100, send, () => t.fail('it must not fail'));
  const packer = new TextPacker();
  lane.begin('input', packer);
  packer.push(Buffer.from('1\n2\n3\n4\n5\n6\n'));
  await lane.drained();
  t.equal(bodies.join(''), '1\n2\n3\n4\n5\n6\n');
  bodies.length = 0;
  packer.push(Buffer.from('7\n8\n9\n'));
  await lane.drained();
  t.equal(bodies.join(''), '7\n8\n9\n');
  t.ok(bodies.every((body) => body.length <= 4));
});

t.test(
  'a single line that is too large is a failure that names it, and nothing is sent after it',
  async (t) => {
    const { lane, packer, sent, failures, bodies } = laneWithHand(2);
    packer.push(Buffer.from('1\n2\n3\n'));
    lane.pump();
    sent[0]!.settle.resolve();
    await settled();
    sent[1]!.settle.reject(new ServerError(413, { code: 'record_too_large', detail: 'at most 1 byte' }));
    await t.rejects(lane.drained(), /line 2 of input not stored: at most 1 byte/);
    lane.pump();
    await settled();
    t.same(bodies(), ['1\n', '2\n']);
    t.equal(failures.length, 1);
  },
);

t.test('where the outcome is unknown the message says so', async (t) => {
  const { lane, packer, sent } = laneWithHand(100);
  packer.push(Buffer.from('1\n2\n'));
  lane.pump();
  sent[0]!.settle.reject(new ServerError(503, { code: 'outcome_unknown', detail: 'the sync failed' }));
  await t.rejects(lane.drained(), /nobody knows whether lines 1 to 2 of input were stored.*the sync failed/);
});
