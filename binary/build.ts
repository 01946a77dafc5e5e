/**
 * `npm run build:binary`: makes `dist/seglog-linux-x64`, one file that needs no Node, no packages and no network. It is for
 * the platform that it is made on, since Node itself and the native addons are in it.
 */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FORMAT_VERSION } from '../src/engine/index.ts';
import { makeBundle } from './bundle.ts';
import { readCommit } from './commit.ts';
import { writeExecutable } from './executable.ts';
import { licensesOf } from './licenses.ts';
import { ADDONS_ASSET, WORKER_ASSET } from './runtime/asset-names.ts';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const ELSEWHERE = `For another platform run this on it: Linux on arm64 gives seglog-linux-arm64. On macOS and Windows seglog
runs on Node 24 or later instead: npm pack here, npm install -g seglog-*.tgz there.
`;

async function main(): Promise<void> {
  if (process.platform !== 'linux') throw new Error(`this makes executables for Linux\n${ELSEWHERE}`);
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const { main, worker, addons, sources } = await makeBundle({
    version,
    commit: readCommit(),
    formatVersion: FORMAT_VERSION,
  });
  mkdirSync(DIST, { recursive: true });
  const target = `${DIST}seglog-linux-${process.arch}`;
  writeExecutable(target, {
    main,
    assets: {
      [WORKER_ASSET]: { text: worker },
      [ADDONS_ASSET]: { text: JSON.stringify(addons.map(({ file, sha256 }) => ({ file, sha256 }))) },
      ...Object.fromEntries(addons.map(({ file, path }) => [file, { path }])),
    },
  });
  writeFileSync(`${DIST}THIRD-PARTY-LICENSES`, licensesOf(sources));
  const size = (statSync(target).size / 2 ** 20).toFixed(0);
  process.stdout.write(
    `${target}: seglog ${version} on Node ${process.versions.node}, ${size} MiB\n${ELSEWHERE}`,
  );
}

await main();
