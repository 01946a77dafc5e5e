/** Damage at rest: what happens to the files of a log that nobody is using. */
import { combineSeeds, Random } from './sim/random.ts';
import type { SimFileSystem } from './sim-file-system.ts';

export const DAMAGE_KINDS = [
  'a flipped bit',
  'a sector of zeros',
  'a sector of garbage',
  'cut short',
  'missing',
  'stale',
  'misplaced',
] as const;

export interface Damage {
  readonly path: string;
  readonly kind: (typeof DAMAGE_KINDS)[number];
  readonly seed: number;
  /** The clean marker is gone as well, so that the log is recovered. */
  readonly unclean: boolean;
}

const NEVER_STALE = /topic\.json$/;

/** Does it to the disk; `past` is the run that made it, for files as they once were. False when it changes nothing. */
export async function inflict(disk: SimFileSystem, damage: Damage, past: SimFileSystem): Promise<boolean> {
  const { path, kind } = damage;
  // An older config with a right checksum is a config: nothing can tell.
  if (kind === 'stale' && NEVER_STALE.test(path)) return false;
  const random = new Random(combineSeeds(damage.seed, path, kind));
  if (kind === 'missing') {
    await disk.remove(path);
    await disk.syncDirectory(path.slice(0, path.lastIndexOf('/')));
    return true;
  }
  if (damage.unclean) await disk.remove('/data/clean-shutdown');
  const before = disk.contents(path);
  const after = changed(before, disk, damage, past, random);
  if (after === undefined || after.equals(before)) return false;
  disk.plant(path, after);
  return true;
}

function changed(
  bytes: Buffer,
  disk: SimFileSystem,
  { path, kind }: Damage,
  past: SimFileSystem,
  random: Random,
): Buffer | undefined {
  const copy = Buffer.from(bytes);
  if (copy.length === 0) return undefined;
  const sector = 512 * random.below(Math.ceil(copy.length / 512));
  switch (kind) {
    case 'a flipped bit':
      copy[random.below(copy.length)]! ^= 1 << random.below(8);
      return copy;
    case 'a sector of zeros':
      return copy.fill(0, sector, Math.min(copy.length, sector + 512));
    case 'a sector of garbage':
      random.bytes(Math.min(512, copy.length - sector)).copy(copy, sector);
      return copy;
    case 'cut short':
      return copy.subarray(0, random.below(copy.length));
    case 'stale':
      return asItWas(path, past, random);
    case 'misplaced': {
      const suffix = /[^/.]*$/.exec(path)![0];
      const others = disk.paths().filter((other) => other.endsWith(suffix) && other !== path);
      // Of the same name in another directory, where there is one: it looks right in all but its header.
      const name = path.slice(path.lastIndexOf('/'));
      const namesakes = others.filter((other) => other.endsWith(name));
      const candidates = namesakes.length > 0 && random.chance(0.5) ? namesakes : others;
      return candidates.length === 0 ? undefined : disk.contents(random.pick(candidates));
    }
    default:
      return undefined;
  }
}

/** The file at some earlier moment, if it was there. */
function asItWas(path: string, past: SimFileSystem, random: Random): Buffer | undefined {
  const image = past.crashImage({ at: random.below(past.operations.length), variant: 'kill' });
  return image.paths().includes(path) ? image.contents(path) : undefined;
}
