/** What goes over the wire to the peers, and how their replies are told apart, wherever the network cuts them. */
import t from 'tap';
import { natsBatchPublish, natsPublish } from '../../../bench/peers/nats.ts';
import { copyMessage } from '../../../bench/peers/postgres.ts';
import { respCommand } from '../../../bench/peers/redis.ts';
import {
  type ReplyReader,
  readNatsReplies,
  readPostgresReplies,
  readRedisReplies,
} from '../../../bench/peers/wire.ts';

/** As a Wire does it, with pieces of so many bytes. */
function replies(read: ReplyReader, text: string, pieceBytes: number): { replies: number; answers: string } {
  let rest = Buffer.alloc(0);
  let count = 0;
  let answers = '';
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    rest = Buffer.concat([rest, bytes.subarray(at, at + pieceBytes)]);
    const taken = read(rest);
    count += taken.replies;
    answers += taken.answer ?? '';
    rest = rest.subarray(taken.bytes);
  }
  return { replies: count, answers };
}

const CASES: { name: string; read: ReplyReader; text: string; replies: number; answers?: string }[] = [
  { name: 'Redis', read: readRedisReplies, text: '$5\r\n123-0\r\n$5\r\n123-1\r\n', replies: 2 },
  {
    name: 'NATS',
    read: readNatsReplies,
    text: 'INFO {"a":1}\r\nPING\r\nMSG _INBOX.lane-0 1 27\r\n{"stream":"events","seq":1}\r\n',
    replies: 1,
    answers: 'PONG\r\n',
  },
  {
    name: 'PostgreSQL',
    read: readPostgresReplies,
    text: 'G\0\0\0\x09\0\0\0\0\0C\0\0\0\x0bCOPY 1\0Z\0\0\0\x05I',
    replies: 1,
  },
];

for (const { name, read, text, replies: expected, answers = '' } of CASES) {
  t.test(`replies of ${name} are counted wherever they are cut`, async (t) => {
    for (let pieceBytes = 1; pieceBytes <= text.length; pieceBytes++)
      t.same(replies(read, text, pieceBytes), { replies: expected, answers }, `${pieceBytes}`);
  });
}

t.test('a refusal is no reply', async (t) => {
  t.throws(() => replies(readRedisReplies, '-MISCONF no space\r\n', 100), /MISCONF/);
  t.throws(() => replies(readNatsReplies, "-ERR 'Unknown Protocol'\r\n", 100), /Unknown/);
  t.throws(() => replies(readNatsReplies, 'MSG a 1 30\r\n{"error":{"code":503}}\r\n', 100), /503/);
  t.throws(() => replies(readNatsReplies, 'HMSG a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n', 100), /503/);
  t.throws(() => replies(readPostgresReplies, 'E\0\0\0\x0bSERROR\0', 100), /ERROR/);
});

t.test('a command of Redis has its words with their lengths', async (t) => {
  t.equal(respCommand(['XADD', 'a', '*']), '*3\r\n$4\r\nXADD\r\n$1\r\na\r\n$1\r\n*\r\n');
});

t.test('a message for NATS says how long it is, and one of a batch where in it', async (t) => {
  t.equal(natsPublish('events.a', 'in', '{"a":1}'), 'PUB events.a in 7\r\n{"a":1}\r\n');
  const headers = 'NATS/1.0\r\nNats-Batch-Id: b\r\nNats-Batch-Sequence: 2\r\n';
  t.equal(natsBatchPublish('events.a', '', 'x', 'b', 2), `HPUB events.a 54 55\r\n${headers}\r\nx\r\n`);
  t.equal(
    natsBatchPublish('events.a', 'in', 'x', 'b', 2),
    `HPUB events.a in 76 77\r\n${headers}Nats-Batch-Commit: 1\r\n\r\nx\r\n`,
  );
});

t.test(
  'rows for PostgreSQL stand between the statement and their end, with what is special escaped',
  async (t) => {
    const event = { timestamp: 'T', source: 'a\tb', level: 'INFO', message: 'c\\d\né', json: '' };
    const message = copyMessage([event]);
    const types: string[] = [];
    const bodies: string[] = [];
    for (let at = 0; at < message.length; ) {
      const end = at + 1 + message.readUInt32BE(at + 1);
      types.push(message.toString('latin1', at, at + 1));
      bodies.push(message.toString('utf8', at + 5, end));
      at = end;
    }
    t.same(types, ['Q', 'd', 'c']);
    t.same(bodies, ['COPY events FROM STDIN\0', 'T\ta\\tb\tINFO\tc\\\\d\\né\n', '']);
  },
);
