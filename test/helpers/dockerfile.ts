/** The Dockerfile, as Docker's own parser would see it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DockerfileParser, Env, type Instruction } from 'dockerfile-ast';

export const DOCKERFILE: string = readFileSync(
  fileURLToPath(new URL('../../Dockerfile', import.meta.url)),
  'utf8',
);

const instructions = DockerfileParser.parse(DOCKERFILE).getInstructions();
const starts = instructions.flatMap((each, at) => (each.getInstruction() === 'FROM' ? [at] : []));

/** By stage, its instructions; a stage begins with its FROM. */
export const STAGES: readonly Instruction[][] = starts.map((at, i) => instructions.slice(at, starts[i + 1]));

/** What is said of the image with an instruction that it has once. @throws Error where it is there more often, or not. */
export function said(name: string): string {
  const found = STAGES.at(-1)!.filter((each) => each.getInstruction() === name);
  if (found.length !== 1) throw new Error(`${found.length} ${name} in the final stage`);
  return found[0]!.getArgumentsContent()!.replace(/\\\n\s*/g, '');
}

/** What a stage sets for all that runs in it. */
export function environmentOf(stage: readonly Instruction[]): Record<string, string> {
  const properties = stage.flatMap((each) => (each instanceof Env ? each.getProperties() : []));
  return Object.fromEntries(properties.map((each) => [each.getName(), each.getValue() ?? '']));
}

/** A command in JSON form, that is without a shell. */
export const command = (text: string): [string, ...string[]] => JSON.parse(text.slice(text.indexOf('[')));
