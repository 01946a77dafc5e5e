/** Base64 as JSON carries bytes. */
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** The bytes, or undefined when the text is no base64. Both alphabets, padding optional; Buffer.from takes anything. */
export function decodeBase64(text: string): Buffer | undefined {
  if (!BASE64.test(text)) return undefined;
  const unpadded = text.replace(/=+$/, '');
  const padding = text.length - unpadded.length;
  if (unpadded.length % 4 === 1 || (padding > 0 && text.length % 4 !== 0)) return undefined;
  return Buffer.from(unpadded, 'base64');
}
