/**
 * Texts that are in everything that a regular expression matches, as far as a look at its outermost level tells: pieces
 * without any sign, up to the next group, class or quantifier. None where alternatives stand side by side.
 */

/** Behind a backslash these stand for themselves; others stand for something else. */
const OWN_SIGN = /[^a-zA-Z0-9]/;
/** Of escapes that take further characters nothing is known. */
const LONG_ESCAPE = /[uxpPkc0-9]/;

export function regexLiterals(source: string): string[] {
  const literals: string[] = [];
  let run = '';
  const endRun = (text = run) => {
    if (text !== '') literals.push(text);
    run = '';
  };
  for (let at = 0; at < source.length; at++) {
    const sign = source[at]!;
    if (sign === '|') return [];
    if (sign === '(' || sign === '[' || sign === '{') {
      // A number of times, perhaps none.
      endRun(sign === '{' ? run.slice(0, -1) : run);
      at = closingAt(source, at);
      if (at < 0) return [];
    } else if (sign === '*' || sign === '?') {
      endRun(run.slice(0, -1));
    } else if (sign === '\\') {
      const escaped = source[++at] ?? '';
      if (LONG_ESCAPE.test(escaped)) return [];
      if (OWN_SIGN.test(escaped)) run += escaped;
      else endRun();
    } else if ('.^$+'.includes(sign) || sign > '\x7f') {
      endRun();
    } else {
      run += sign;
    }
  }
  endRun();
  return literals;
}

/** Where the bracket at `open` is closed; -1 when it is not. */
function closingAt(source: string, open: number): number {
  if (source[open] === '{') return source.indexOf('}', open);
  let inClass = false;
  let depth = 0;
  for (let at = open; at < source.length; at++) {
    const sign = source[at]!;
    if (sign === '\\') at++;
    else if (inClass) inClass = sign !== ']';
    else if (sign === '[') inClass = true;
    else if (sign === '(') depth++;
    else if (sign === ')') depth--;
    if (!inClass && depth === 0) return at;
  }
  return -1;
}
