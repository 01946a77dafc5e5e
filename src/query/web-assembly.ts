/** The part of the WebAssembly API that is used here, typed: TypeScript has it in the types of browsers only. */
interface WebAssemblyApi {
  Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: Record<string, object>) => { readonly exports: unknown };
}

export const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyApi };
