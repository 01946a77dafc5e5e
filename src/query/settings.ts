/** The settings that searching reads; the engine and the server declare theirs. */
import type { SettingTable, SettingValues } from '../engine/index.ts';

const MIB = 1024 * 1024;

export const QUERY_SETTINGS = {
  'query.index.bytes.per.second': {
    type: 'integer',
    default: 64 * MIB,
    min: -1,
    max: Number.MAX_SAFE_INTEGER,
    description:
      'Bytes of records, decompressed, that are made search indexes of in a second; -1 or 0 is no limit.',
  },
  'query.index.cache.bytes': {
    type: 'integer',
    default: 64 * MIB,
    min: MIB,
    max: Number.MAX_SAFE_INTEGER,
    description: 'Memory for search indexes of sealed segments.',
  },
  'query.index.active.bytes': {
    type: 'integer',
    default: 64 * MIB,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    description:
      'Memory for search indexes of what has no file of its own yet, above all of active segments.',
  },
  'query.threads': {
    type: 'integer',
    default: 2,
    min: 1,
    max: 64,
    description: 'Threads that look through events for queries.',
  },
  'query.timeout.ms': {
    type: 'integer',
    default: 30_000,
    min: 1,
    max: 3_600_000,
    description: 'A query that takes longer is answered with what was found until then.',
  },
  'query.max.bytes': {
    type: 'integer',
    default: 64 * 1024 * MIB,
    min: MIB,
    max: Number.MAX_SAFE_INTEGER,
    description: 'A query that has to read more of the log is answered with what was found until then.',
  },
  'query.cache.bytes': {
    type: 'integer',
    default: 64 * MIB,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    description: 'Memory for what earlier queries found in parts of segments; 0 keeps nothing.',
  },
} as const satisfies SettingTable;

export type QuerySettings = SettingValues<typeof QUERY_SETTINGS>;
