/**
 * The licenses of what is in the executable beside seglog itself. Nearly all ask that they go with each copy, so they lie in a
 * file beside it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Manifest {
  name: string;
  version: string;
  license?: string;
}

/** Of the packages that these files belong to, by name. One that is there in two places counts once. */
export function licensesOf(files: Iterable<string>): string {
  const directories = new Set([...files].flatMap((file) => packageOf(file) ?? []));
  const texts = [...directories].map((directory) => {
    const manifest: Manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    const texts = readdirSync(directory)
      .filter((name) => /^(licen[cs]e|notice|copying)/i.test(name))
      .map((name) => readFileSync(join(directory, name), 'utf8').trim());
    const title = `${manifest.name} ${manifest.version} (${manifest.license ?? 'see below'})`;
    return [title, '-'.repeat(title.length), ...texts].join('\n\n');
  });
  const node = `Node.js ${process.versions.node} (MIT and others)\n\nhttps://github.com/nodejs/node/blob/${process.version}/LICENSE`;
  return `${[node, ...[...new Set(texts)].sort()].join('\n\n\n')}\n`;
}

/** The directory of the innermost package. */
function packageOf(file: string): string | undefined {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0];
}
