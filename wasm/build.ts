/** Compiles each kernel to a module beside the code that uses it: `npm run build:wasm`, after each change of one. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { main } from 'assemblyscript/asc';

/** What is compiled, where to, and under which name it is exported. */
export const KERNELS = {
  record: {
    source: 'record-kernel.ts',
    target: '../src/server/record-kernel-wasm.ts',
    name: 'RECORD_KERNEL_WASM',
  },
  search: {
    source: 'search-kernel.ts',
    target: '../src/query/search-kernel-wasm.ts',
    name: 'SEARCH_KERNEL_WASM',
  },
  token: {
    source: 'token-kernel.ts',
    target: '../src/query/token-kernel-wasm.ts',
    name: 'TOKEN_KERNEL_WASM',
  },
  event: {
    source: 'event-kernel.ts',
    target: '../src/query/event-kernel-wasm.ts',
    name: 'EVENT_KERNEL_WASM',
  },
} as const;

const OPTIONS = [
  ...['--runtime', 'stub', '--use', 'abort=', '--noAssert', '-O3'],
  ...['--enable', 'simd', '--importMemory', '--zeroFilledMemory', '--noExportMemory'],
];

/** The text of the kernel's target. @throws Error with what the compiler says. */
export async function compileKernel(kernel: keyof typeof KERNELS): Promise<string> {
  const { source, name } = KERNELS[kernel];
  let binary: Uint8Array | undefined;
  const path = fileURLToPath(new URL(source, import.meta.url));
  const { error, stderr } = await main([path, ...OPTIONS, '--outFile', 'kernel.wasm'], {
    writeFile: (_name: string, content: string | Uint8Array) => {
      if (typeof content !== 'string') binary = content;
    },
  });
  if (error !== null || binary === undefined) throw new Error(stderr.toString(), { cause: error });
  const base64 = Buffer.from(binary).toString('base64');
  return [
    `/** wasm/${source}, compiled: \`npm run build:wasm\`. */`,
    `export const ${name} =\n  '${base64}';`,
    '',
  ].join('\n');
}

if (import.meta.main) {
  for (const kernel of Object.keys(KERNELS) as (keyof typeof KERNELS)[]) {
    writeFileSync(new URL(KERNELS[kernel].target, import.meta.url), await compileKernel(kernel));
  }
}
