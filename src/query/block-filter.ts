/**
 * Which blocks of a segment may hold events that pass an expression, and by what kind of knowledge the others are told apart. Of
 * each part of the expression it works out the blocks that may have an event that passes, and those where all do: the
 * latter are what a negation leaves out.
 */
import { BlockSet } from './block-set.ts';
import { type Expression, expressionText, type FieldExpression, kindOfField } from './expression.ts';
import { fieldValueTest } from './matches.ts';
import { requiredFieldTokens, requiredTokens } from './required-tokens.ts';
import type { SearchIndex } from './search-index.ts';
import { pairToken, type Token } from './tokens.ts';

/** What a query asks of an index; one that covers a segment still growing may know less. */
export type BlockKnowledge = Pick<
  SearchIndex,
  | 'blocks'
  | 'minTime'
  | 'maxTime'
  | 'allBlocks'
  | 'blocksInTime'
  | 'dictionary'
  | 'blocksWithField'
  | 'blocksWithTokens'
  | 'otherTimes'
  | 'pairs'
  | 'outline'
  | 'index'
  | 'counts'
>;

/** In the order in which blocks are left out: each of them counts only what those before it have left. */
export const PRUNED_BY = ['time', 'source', 'level', 'fields', 'text'] as const;
export type PrunedBy = (typeof PRUNED_BY)[number];

/** More pairs of a level and a source are not looked up. */
const MAX_PAIRS = 64;

export interface FilteredBlocks {
  readonly blocks: BlockSet;
  /** How many blocks each kind has left out. */
  readonly pruned: Readonly<Record<PrunedBy, number>>;
}

interface Verdicts {
  readonly may: BlockSet;
  readonly must: BlockSet;
}

/** Rejects with IndexDamaged where a part of the index is. */
export async function filterBlocks(
  index: BlockKnowledge,
  expression: Expression,
  from: number,
  until: number,
): Promise<FilteredBlocks> {
  const pruned = { time: 0, source: 0, level: 0, fields: 0, text: 0 };
  let left = index.blocksInTime(from, until);
  pruned.time = index.blocks.count - left.size;
  const filter = new BlockFilter(index);
  for (const kind of PRUNED_BY.slice(1)) {
    if (left.isEmpty) break;
    await filter.learn(expression, kind, left);
    const before = left.size;
    left = left.and(filter.verdicts(expression).may);
    pruned[kind] = before - left.size;
  }
  return { blocks: left, pruned };
}

class BlockFilter {
  readonly #index: BlockKnowledge;
  readonly #all: BlockSet;
  readonly #none: BlockSet;
  /** Of tests, by their text. */
  readonly #known = new Map<string, Verdicts>();

  constructor(index: BlockKnowledge) {
    this.#index = index;
    this.#all = index.allBlocks();
    this.#none = BlockSet.none(index.blocks.count);
  }

  /** Looks up the tests of a kind, as far as blocks of `within` go. */
  async learn(expression: Expression, kind: PrunedBy, within: BlockSet): Promise<void> {
    switch (expression.type) {
      case 'and':
      case 'or':
        for (const each of expression.of) await this.learn(each, kind, within);
        if (kind === 'level' && expression.type === 'and') await this.#learnPairs(expression, within);
        return;
      case 'not':
        return this.learn(expression.of, kind, within);
      case 'field':
        if (!this.#isIndexed(expression)) {
          if (kind === 'text') await this.#learnTokens(expression, requiredFieldTokens(expression), within);
        } else if (kind === kindOfField(expression)) {
          this.#learnField(expression);
        }
        return;
      case 'text':
      case 'regex':
        if (kind === 'text') await this.#learnTokens(expression, requiredTokens(expression), within);
    }
  }

  /** A message is found under several names, which are no names of fields to an index. */
  #isIndexed({ field }: FieldExpression): boolean {
    return field !== 'message' && this.#index.dictionary(field) !== undefined;
  }

  #learnField(expression: FieldExpression): void {
    const passes = fieldValueTest(expression);
    const may = this.#index.blocksWithField(expression.field, passes);
    const fails = this.#index.blocksWithField(expression.field, (value) => !passes(value));
    this.#known.set(expressionText(expression), { may, must: this.#without(fails) });
  }

  /** Many blocks have a level, and a source, but no event with both. */
  async #learnPairs(expression: Extract<Expression, { type: 'and' }>, within: BlockSet): Promise<void> {
    const levels = valuesOf(expression.of, 'level');
    const sources = valuesOf(expression.of, 'source');
    if (!this.#index.pairs || levels.length * sources.length > MAX_PAIRS) return;
    let may: BlockSet | undefined;
    for (const level of levels) {
      for (const source of sources) {
        const blocks = await this.#index.blocksWithTokens([pairToken(level, source)], within);
        may = may?.or(blocks) ?? blocks;
      }
    }
    if (may !== undefined) this.#known.set(expressionText(expression), { may, must: this.#none });
  }

  async #learnTokens(test: Expression, tokens: readonly Token[], within: BlockSet): Promise<void> {
    if (tokens.length === 0) return;
    const may = await this.#index.blocksWithTokens(tokens, within);
    this.#known.set(expressionText(test), { may, must: this.#none });
  }

  verdicts(expression: Expression): Verdicts {
    switch (expression.type) {
      case 'all':
        return { may: this.#all, must: this.#all };
      case 'and':
      case 'or': {
        const of = expression.of.map((each) => this.verdicts(each));
        const pairs = expression.type === 'and' ? this.#known.get(expressionText(expression)) : undefined;
        if (pairs !== undefined) of.push({ may: pairs.may, must: this.#all });
        return of.reduce((a, b) =>
          expression.type === 'and'
            ? { may: a.may.and(b.may), must: a.must.and(b.must) }
            : { may: a.may.or(b.may), must: a.must.or(b.must) },
        );
      }
      case 'not': {
        const { may, must } = this.verdicts(expression.of);
        return { may: this.#without(must), must: this.#without(may) };
      }
      default:
        return this.#known.get(expressionText(expression)) ?? { may: this.#all, must: this.#none };
    }
  }

  #without(blocks: BlockSet): BlockSet {
    return BlockSet.of(blocks.blocks, (block) => !blocks.has(block));
  }
}

/** Of the values that one part of a conjunction allows a field to have; none where that is not plain. */
function valuesOf(parts: readonly Expression[], field: string): string[] {
  for (const part of parts) {
    const tests = part.type === 'or' ? part.of : [part];
    const values = tests.flatMap((test) =>
      test.type === 'field' && test.field === field && test.test.type === 'equal' ? [test.test.text] : [],
    );
    if (values.length === tests.length) return values;
  }
  return [];
}
