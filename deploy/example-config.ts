/** Makes `seglog.yaml`, the example of a configuration file, of the tables of settings: `npm run build:config`, after each change of one. */
import { writeFileSync } from 'node:fs';
import { allSettings, type KnownSetting } from '../src/server/index.ts';

const HEAD = `# The configuration of seglog serve, with every setting that there is. Each line that sets one is a comment, and has the
# default: take the # away, and change the value. Sizes are bytes, or 64k, 64KiB, 1m, 2GiB; times are milliseconds, or 500ms, 30s,
# 15m, 1h, 7d. Environment variables (SEGLOG_SEGMENT_BYTES) and flags (--segment.bytes) go before what is set here.
# \`seglog serve --config FILE --print-config\` shows what counts, and where it comes from.`;

const GROUPS: Readonly<Record<KnownSetting['group'], string>> = {
  server: 'The daemon and its HTTP interface.',
  query: 'Searching.',
  engine: 'The log.',
  topic: 'Topics that do not set it themselves.',
};

export function exampleConfig(): string {
  const known = allSettings();
  const groups = Object.entries(GROUPS).map(([group, title]) => {
    const settings = known.filter((each) => each.group === group);
    return [`# ${title}`, ...settings.map(settingLines)].join('\n\n');
  });
  return `${[HEAD, ...groups].join('\n\n')}\n`;
}

function settingLines({ name, setting }: KnownSetting): string {
  const choices = setting.type === 'choice' ? ` One of ${setting.choices.join(' | ')}.` : '';
  const value = setting.type === 'text' ? JSON.stringify(setting.default) : setting.default;
  return `# ${setting.description}${choices}\n#${name}: ${value}`;
}

if (import.meta.main) writeFileSync(new URL('seglog.yaml', import.meta.url), exampleConfig());
