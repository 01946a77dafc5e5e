/** Compiles the record kernel to src/server/record-kernel-wasm.ts: `npm run build:wasm`, after each change of it. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { main } from 'assemblyscript/asc';

const SOURCE = fileURLToPath(new URL('record-kernel.ts', import.meta.url));
const TARGET = fileURLToPath(new URL('../src/server/record-kernel-wasm.ts', import.meta.url));

const OPTIONS = [
  ...['--runtime', 'stub', '--use', 'abort=', '--noAssert', '-O3'],
  ...['--enable', 'simd', '--importMemory', '--zeroFilledMemory', '--noExportMemory'],
];

/** The text of the target. @throws Error with what the compiler says. */
export async function compileKernel(): Promise<string> {
  let binary: Uint8Array | undefined;
  const { error, stderr } = await main([SOURCE, ...OPTIONS, '--outFile', 'kernel.wasm'], {
    writeFile: (_name: string, content: string | Uint8Array) => {
      if (typeof content !== 'string') binary = content;
    },
  });
  if (error !== null || binary === undefined) throw new Error(stderr.toString(), { cause: error });
  const base64 = Buffer.from(binary).toString('base64');
  return [
    '/** wasm/record-kernel.ts, compiled: `npm run build:wasm`. */',
    `export const RECORD_KERNEL_WASM =\n  '${base64}';`,
    '',
  ].join('\n');
}

if (import.meta.main) writeFileSync(TARGET, await compileKernel());
