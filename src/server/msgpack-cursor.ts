/**
 * Reads MessagePack value by value from a Buffer: headers of containers, scalars, and strings and bytes as
 * ranges of the Buffer. Lengths are checked against what is there before they are believed.
 */
export class MsgpackFault extends Error {
  readonly position: number;
  readonly tooDeep: boolean;

  constructor(position: number, message: string, tooDeep = false) {
    super(message);
    this.name = 'MsgpackFault';
    this.position = position;
    this.tooDeep = tooDeep;
  }
}

export class MsgpackCursor {
  readonly #bytes: Buffer;
  #at = 0;
  /** The range of the string or bytes read last; a start of -1 stands for nil. */
  #start = -1;
  #end = -1;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get position(): number {
    return this.#at;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Members of the map that begins here. */
  readMapHeader(): number {
    const at = this.#at;
    const type = this.#take(1);
    // A member has at least two bytes.
    if ((type & 0xf0) === 0x80) return this.#count(type & 0x0f, 2, at);
    if (type === 0xde) return this.#count(this.#unsigned(2), 2, at);
    if (type === 0xdf) return this.#count(this.#unsigned(4), 2, at);
    throw this.#unexpected(at, 'a map');
  }

  atMap(): boolean {
    const type = this.#bytes[this.#at] ?? 0;
    return (type & 0xf0) === 0x80 || type === 0xde || type === 0xdf;
  }

  /** Elements of the array that begins here. */
  readArrayHeader(): number {
    const at = this.#at;
    const type = this.#take(1);
    if ((type & 0xf0) === 0x90) return this.#count(type & 0x0f, 1, at);
    if (type === 0xdc) return this.#count(this.#unsigned(2), 1, at);
    if (type === 0xdd) return this.#count(this.#unsigned(4), 1, at);
    throw this.#unexpected(at, 'an array');
  }

  readNil(): boolean {
    if (this.#bytes[this.#at] !== 0xc0) return false;
    this.#at++;
    return true;
  }

  /** Reads str, bin or nil, for slice(); false (and nothing read) when it is something else. */
  readStringOrBinary(): boolean {
    const at = this.#at;
    const type = this.#take(1);
    let length: number;
    if ((type & 0xe0) === 0xa0) length = type & 0x1f;
    else if (type === 0xc4 || type === 0xd9) length = this.#unsigned(1);
    else if (type === 0xc5 || type === 0xda) length = this.#unsigned(2);
    else if (type === 0xc6 || type === 0xdb) length = this.#unsigned(4);
    else {
      this.#start = -1;
      if (type !== 0xc0) this.#at = at;
      return type === 0xc0;
    }
    this.#start = this.#at;
    this.#skip(length);
    this.#end = this.#at;
    return true;
  }

  slice(): Buffer | null {
    return this.#start < 0 ? null : this.#bytes.subarray(this.#start, this.#end);
  }

  sliceEquals(expected: Uint8Array): boolean {
    if (this.#end - this.#start !== expected.length || this.#start < 0) return false;
    for (let i = 0; i < expected.length; i++) {
      if (this.#bytes[this.#start + i] !== expected[i]) return false;
    }
    return true;
  }

  /** A number, string, boolean or nil. An integer that is not safe is given as the text of its digits. */
  readScalar(): number | string | boolean | null {
    const at = this.#at;
    const type = this.#bytes[at] ?? 0xc1;
    if (type === 0xc0 || (type & 0xe0) === 0xa0 || (type >= 0xd9 && type <= 0xdb)) {
      this.readStringOrBinary();
      return this.slice()?.toString('utf8') ?? null;
    }
    this.#take(1);
    if (type < 0x80) return type;
    if (type >= 0xe0) return type - 0x100;
    if (type === 0xc2 || type === 0xc3) return type === 0xc3;
    const start = this.#at;
    const bytes = this.#bytes;
    const size = { 202: 4, 203: 8, 204: 1, 205: 2, 206: 4, 207: 8, 208: 1, 209: 2, 210: 4, 211: 8 }[type];
    if (size === undefined) throw this.#unexpected(at, 'a number or text');
    this.#skip(size);
    if (type === 0xca) return bytes.readFloatBE(start);
    if (type === 0xcb) return bytes.readDoubleBE(start);
    if (size < 8) return type <= 0xce ? bytes.readUIntBE(start, size) : bytes.readIntBE(start, size);
    const value = type === 0xcf ? bytes.readBigUInt64BE(start) : bytes.readBigInt64BE(start);
    return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  }

  #unsigned(size: number): number {
    const start = this.#at;
    this.#skip(size);
    let value = 0;
    for (let i = start; i < this.#at; i++) value = value * 256 + this.#bytes[i]!;
    return value;
  }

  #take(size: number): number {
    this.#skip(size);
    return this.#bytes[this.#at - 1]!;
  }

  #skip(size: number): void {
    if (this.#at + size > this.#bytes.length) throw new MsgpackFault(this.#bytes.length, 'it ends too early');
    this.#at += size;
  }

  #count(count: number, bytesEach: number, at: number): number {
    if (count * bytesEach > this.#bytes.length - this.#at) {
      throw new MsgpackFault(at, `it says ${count} elements, but fewer follow`);
    }
    return count;
  }

  #unexpected(at: number, wanted: string): MsgpackFault {
    return new MsgpackFault(
      at,
      `type 0x${this.#bytes[at]?.toString(16) ?? '(end)'} where ${wanted} should be`,
    );
  }
}
