/** Consumer groups over HTTP: members, offsets, what is listed and what is refused. */
import t from 'tap';
import { openApp, type TestApp, until } from '../helpers/http-app.ts';

interface MemberAnswer {
  memberId: string;
  generation: number;
  assignment: { topic: string; partitions: number[] }[];
  revoking: { topic: string; partitions: number[] }[];
}

async function join({ ask }: TestApp, group = 'g', more: object = {}): Promise<MemberAnswer> {
  const payload = { topics: ['t'], ...more };
  const answer = await ask({ method: 'POST', url: `/api/groups/${group}/members`, payload });
  return answer.json();
}

const heartbeat = ({ ask }: TestApp, memberId: string, generation?: number, group = 'g') =>
  ask({ method: 'PUT', url: `/api/groups/${group}/members/${memberId}`, payload: { generation } });

const putOffsets = ({ ask }: TestApp, payload: object, group = 'g') =>
  ask({ method: 'PUT', url: `/api/groups/${group}/offsets`, payload });

const place = (partition: number, offset: number) => ({ topic: 't', partition, offset });

async function openLog(
  t: Parameters<typeof openApp>[0],
  partitions = 2,
  ...settings: Record<string, number>[]
) {
  const app = await openApp(t, {}, {}, undefined, ...settings);
  await app.engine.createTopic('t', { partitions });
  for (let partition = 0; partition < partitions; partition++) {
    const records = Array.from({ length: 10 }, (_, i) => ({ value: `v${i}` }));
    await app.engine.append('t', records, { partition });
  }
  return app;
}

t.test('a member joins, is heard of, and leaves', async (t) => {
  const app = await openLog(t);
  const url = '/api/groups/a%20group%2Fof%20ours/members';
  const joined = await app.ask({ method: 'POST', url, payload: { topics: ['t'], clientId: 'me' } });
  t.equal(joined.statusCode, 201);
  t.match(joined.json(), {
    memberId: /^me-/,
    generation: 1,
    assignment: [{ topic: 't', partitions: [0, 1] }],
    revoking: [],
    sessionTimeoutMs: 45_000,
  });
  const location = String(joined.headers.location);
  t.ok(location.startsWith(`${url}/`), location);
  t.match((await app.ask({ method: 'PUT', url: location })).json(), joined.json(), 'without a body');
  t.match((await app.ask({ url: '/api/groups' })).json(), {
    groups: [
      {
        groupId: 'a group/of ours',
        state: 'Stable',
        generation: 1,
        assignor: 'cooperative-sticky',
        members: 1,
      },
    ],
  });
  t.match(await app.ask({ method: 'DELETE', url: location }), { statusCode: 204, body: '' });
  t.match(await app.ask({ method: 'DELETE', url: location }), {
    statusCode: 404,
    problem: { code: 'unknown_member' },
  });
});

t.test('partitions go from one member to another once it has let go of them', async (t) => {
  const app = await openLog(t);
  const first = await join(app);
  const second = await join(app);
  t.strictSame(second.assignment, [], 'they are not free yet');
  const told = (await heartbeat(app, first.memberId)).json();
  t.match(told, { generation: 2, assignment: [{ partitions: [0] }], revoking: [{ partitions: [1] }] });
  t.match((await app.ask({ url: '/api/groups/g' })).json(), {
    state: 'Reconciling',
    members: [
      { memberId: first.memberId, revoking: [{ partitions: [1] }] },
      { pending: [{ partitions: [1] }] },
    ],
  });
  const { memberId } = first;
  const keeps = await putOffsets(app, { memberId, generation: 1, offsets: [place(1, 3)] });
  t.match(keeps, { statusCode: 200 }, 'what is revoked may still be committed');
  t.match((await heartbeat(app, first.memberId)).json(), { revoking: [] });
  t.match((await heartbeat(app, second.memberId)).json(), { assignment: [{ partitions: [1] }] });
  t.match((await app.ask({ url: '/api/groups/g' })).json(), { state: 'Stable' });
  const late = { memberId, generation: 1, offsets: [place(1, 4)] };
  t.match(await putOffsets(app, late), { statusCode: 409, problem: { code: 'fenced' } });
});

t.test('a member that is silent is taken out, and fenced', async (t) => {
  const app = await openLog(t, 2, { 'group.min.session.timeout.ms': 10 });
  const { memberId, generation } = await join(app, 'g', { sessionTimeoutMs: 20 });
  await until(async () => (await app.ask({ url: '/api/groups/g' })).json().state === 'Empty');
  t.match(await heartbeat(app, memberId), { statusCode: 404, problem: { code: 'unknown_member' } });
  const poll = await app.ask({ url: `/api/groups/g/members/${memberId}/records` });
  t.match(poll, { statusCode: 404, problem: { code: 'unknown_member' } });
  const commit = await putOffsets(app, { memberId, generation, offsets: [place(0, 1)] });
  t.match(commit, { statusCode: 409, problem: { code: 'fenced' } });
});

t.test('offsets are committed by members, and shown with the lag', async (t) => {
  const app = await openLog(t);
  const { memberId, generation } = await join(app);
  const offsets = [{ ...place(0, 4), metadata: 'half' }, place(1, 10)];
  const committed = await putOffsets(app, { memberId, generation, offsets });
  t.match(committed, { statusCode: 200 });
  t.strictSame(committed.json(), {
    dryRun: false,
    offsets: [
      { topic: 't', partition: 0, before: null, after: 4 },
      { topic: 't', partition: 1, before: null, after: 10 },
    ],
  });
  t.match((await app.ask({ url: '/api/groups/g' })).json(), {
    groupId: 'g',
    offsets: [
      {
        ...place(0, 0),
        offset: undefined,
        committed: 4,
        metadata: 'half',
        committedAt: /Z$/,
        lag: 6,
        memberId,
      },
      { partition: 1, committed: 10, metadata: null, logStartOffset: 0, logEndOffset: 10, lag: 0 },
    ],
    expiresAt: null,
  });
});

t.test('a group without members is reset, to each kind of place', async (t) => {
  const app = await openLog(t);
  await app.engine.append('t', [{ value: 'old', timestamp: Date.parse('2020-01-01') }], { partition: 1 });
  const set = await putOffsets(app, { offsets: [place(0, 5), place(1, 5)] });
  t.match(set.json(), {
    dryRun: false,
    offsets: [
      { before: null, after: 5 },
      { before: null, after: 5 },
    ],
  });
  const cases: [reset: object, after: number[]][] = [
    [{ to: 'earliest' }, [0, 0]],
    [{ to: 'latest' }, [10, 11]],
    [{ to: { offset: 7 } }, [7, 7]],
    [{ to: { offset: 700 } }, [10, 11]],
    [{ to: { shift: -3 } }, [2, 2]],
    [{ to: { shift: 3 }, topics: ['t'] }, [8, 8]],
    [{ to: { timestamp: '2020-01-01T00:00:00Z' } }, [0, 0]],
    [{ to: { timestamp: 4_000_000_000 } }, [10, 11]],
    [{ to: { timestamp: -5 } }, [0, 0]],
    [{ to: { duration: '1h' } }, [0, 0]],
    [{ to: { duration: 'PT1H' }, partitions: [{ topic: 't', partitions: [1] }] }, [0]],
  ];
  for (const [reset, after] of cases) {
    const answer = (await putOffsets(app, { reset, dryRun: true })).json();
    t.match(answer.dryRun, true);
    t.strictSame(
      answer.offsets.map((each: { after: number }) => each.after),
      after,
      JSON.stringify(reset),
    );
    t.ok(answer.offsets.every((each: { before: number }) => each.before === 5));
  }
  await putOffsets(app, { reset: { to: { shift: 2 } } });
  const { offsets } = (await app.ask({ url: '/api/groups/g' })).json();
  t.strictSame(
    offsets.map((each: { committed: number }) => each.committed),
    [7, 7],
  );
});

t.test('a group is deleted once it has no members', async (t) => {
  const app = await openLog(t);
  const { memberId, generation } = await join(app);
  await putOffsets(app, { memberId, generation, offsets: [place(0, 4)] });
  const url = '/api/groups/g';
  t.match(await app.ask({ method: 'DELETE', url }), {
    statusCode: 409,
    problem: { code: 'group_not_empty' },
  });
  await app.ask({ method: 'DELETE', url: `${url}/members/${memberId}` });
  t.match((await app.ask({ url })).json(), { state: 'Empty', expiresAt: /Z$/ });
  t.match(await app.ask({ method: 'DELETE', url }), { statusCode: 204 });
  t.match(await app.ask({ url }), { statusCode: 404, problem: { code: 'unknown_group' } });
});

t.test('groups are there again after a restart of the server', async (t) => {
  const app = await openLog(t);
  const { memberId, generation } = await join(app);
  await putOffsets(app, { memberId, generation, offsets: [place(0, 4)] });
  const { GroupCoordinator } = await import('../../src/engine/index.ts');
  await app.lifecycle.groups.close();
  app.lifecycle.opened(app.engine, await GroupCoordinator.open(app.engine));
  t.match(await heartbeat(app, memberId), { statusCode: 200 });
  t.match((await app.ask({ url: '/api/groups/g' })).json(), { offsets: [{ partition: 0, committed: 4 }] });
  await app.lifecycle.groups.close();
});

t.test('refusals', async (t) => {
  const app = await openLog(t, 2, { 'group.max.size': 1 });
  const { memberId, generation } = await join(app, 'g', { assignor: 'range', autoOffsetReset: 'none' });
  const member = `/api/groups/g/members/${memberId}`;
  const members = '/api/groups/g/members';
  const offsets = '/api/groups/g/offsets';
  const commit = { memberId, generation };
  const cases: [string, string, object | undefined, status: number, code: string][] = [
    ['POST', members, { topics: ['t'] }, 409, 'group_full'],
    ['POST', members, { topics: ['t'], assignor: 'roundrobin' }, 409, 'group_full'],
    ['POST', '/api/groups/n/members', { topics: [] }, 400, 'invalid_request'],
    ['POST', '/api/groups/n/members', { topics: ['a/b'] }, 400, 'invalid_topic'],
    ['POST', '/api/groups/n/members', {}, 400, 'invalid_request'],
    ['POST', '/api/groups/n/members', { topics: ['t'], assignor: 'best' }, 400, 'invalid_request'],
    ['POST', '/api/groups/n/members', { topics: ['t'], autoOffsetReset: 'middle' }, 400, 'invalid_request'],
    ['POST', '/api/groups/n/members', { topics: ['t'], sessionTimeoutMs: 5 }, 400, 'invalid_request'],
    ['POST', '/api/groups/n/members', { topics: ['t'], sessionTimeOut: 5 }, 400, 'invalid_request'],
    ['POST', '/api/groups/a%00b/members', { topics: ['t'] }, 400, 'invalid_group'],
    ['POST', '/api/groups/%zz/members', { topics: ['t'] }, 400, 'invalid_group'],
    ['POST', `/api/groups/${'g'.repeat(256)}/members`, { topics: ['t'] }, 400, 'invalid_group'],
    [
      'POST',
      `/api/groups/${encodeURIComponent('é'.repeat(200))}/members`,
      { topics: ['t'] },
      400,
      'invalid_group',
    ],
    ['GET', '/api/groups/nope', undefined, 404, 'unknown_group'],
    ['DELETE', '/api/groups/nope', undefined, 404, 'unknown_group'],
    ['PUT', `${members}/nope`, {}, 404, 'unknown_member'],
    ['PUT', '/api/groups/nope/members/nope', {}, 404, 'unknown_member'],
    ['PUT', member, { generation: 99 }, 409, 'fenced'],
    ['GET', `${member}/records?cursor=nope`, undefined, 400, 'invalid_cursor'],
    ['GET', `${member}/records?max_records=0`, undefined, 400, 'invalid_parameter'],
    ['GET', `${member}/records?waitms=1`, undefined, 400, 'invalid_parameter'],
    ['GET', `${member}/records`, undefined, 409, 'no_committed_offset'],
    ['PUT', offsets, { offsets: [place(0, 1)] }, 409, 'group_not_empty'],
    ['PUT', offsets, { ...commit, offsets: [place(0, 11)] }, 416, 'offset_out_of_range'],
    ['PUT', offsets, { ...commit, offsets: [place(7, 1)] }, 409, 'fenced'],
    ['PUT', offsets, { ...commit, offsets: [place(0, 1), place(0, 2)] }, 400, 'invalid_request'],
    ['PUT', offsets, { ...commit, generation: 99, offsets: [place(0, 1)] }, 409, 'fenced'],
    ['PUT', offsets, { memberId, offsets: [place(0, 1)] }, 400, 'invalid_request'],
    ['PUT', offsets, { ...commit }, 400, 'invalid_request'],
    ['PUT', offsets, { ...commit, reset: { to: 'latest' } }, 400, 'invalid_request'],
    ['PUT', '/api/groups/n/offsets', {}, 400, 'invalid_request'],
    ['PUT', '/api/groups/n/offsets', { offsets: [], reset: { to: 'latest' } }, 400, 'invalid_request'],
    ['PUT', '/api/groups/n/offsets', { reset: { to: 'middle' } }, 400, 'invalid_request'],
    ['PUT', '/api/groups/n/offsets', { reset: { to: { duration: 'long' } } }, 400, 'invalid_request'],
    ['PUT', '/api/groups/n/offsets', { reset: { to: { timestamp: 'noon' } } }, 400, 'invalid_timestamp'],
    [
      'PUT',
      '/api/groups/n/offsets',
      { offsets: [{ topic: 't', partition: 0, offset: -1 }] },
      400,
      'invalid_offset',
    ],
    ['PUT', '/api/groups/n/offsets', { offsets: [{ ...place(0, 0), topic: 'nope' }] }, 404, 'unknown_topic'],
    ['PUT', '/api/groups/n/offsets', { offsets: [place(7, 0)] }, 404, 'unknown_partition'],
    ['DELETE', '/api/topics/__consumer_offsets', undefined, 409, 'policy_violation'],
    ['PUT', '/api/topics/__mine', {}, 400, 'invalid_topic'],
  ];
  for (const [method, url, payload, statusCode, code] of cases) {
    const answer = await app.ask({ method: method as 'GET', url, payload });
    const name = `${method} ${url.slice(0, 60)} ${JSON.stringify(payload)}`;
    t.match(answer, { statusCode, problem: { code } }, name);
    t.match(answer.headers['content-type'], /^application\/problem\+json/);
  }
  t.match((await app.ask({ url: '/api/groups' })).json(), { groups: { length: 1 } }, 'no group was made');
  const details: [to: unknown, detail: string][] = [
    ['middle', 'body/reset/to has none of the forms that it may have; /openapi.json shows them'],
    [
      { offset: 1, shift: 1 },
      'body/reset/to has none of the forms that it may have; /openapi.json shows them',
    ],
    [{ offset: -1 }, 'body/reset/to/offset must be >= 0'],
  ];
  for (const [to, detail] of details)
    t.equal((await putOffsets(app, { reset: { to } })).problem?.detail, detail, JSON.stringify(to));
  const unknown = await app.ask({ method: 'POST', url: members, payload: { topics: ['t'], timeOut: 5 } });
  t.equal(unknown.problem?.detail, 'body must NOT have additional properties: "timeOut"');
  const choice = await app.ask({
    method: 'POST',
    url: members,
    payload: { topics: ['t'], assignor: 'best' },
  });
  t.match(choice.problem?.detail, /allowed values: range, roundrobin, cooperative-sticky$/);
});

t.test('members of a group have one assignor', async (t) => {
  const app = await openLog(t);
  await join(app, 'g', { assignor: 'range' });
  const payload = { topics: ['t'], assignor: 'roundrobin' };
  t.match(await app.ask({ method: 'POST', url: '/api/groups/g/members', payload }), {
    statusCode: 409,
    problem: { code: 'inconsistent_group_protocol', assignor: 'range' },
  });
});
