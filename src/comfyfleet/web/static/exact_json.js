// JSON whose numbers stay as they were written: 1.0 is not 1 to every node, and seeds exceed what browsers count exactly.

/** Parse a text; a number that a browser would write otherwise is kept as it is. @param {string} text */
export function parseExact(text) {
  return JSON.parse(text, (_name, value, context) => (typeof value === "number" ? exact(value, context?.source) : value));
}

/** The number that a person typed, or the text itself if it is none. @param {string} text */
export function numberOf(text) {
  try {
    const value = parseExact(text);
    return typeof value === "number" || isKept(value) ? value : text;
  } catch {
    return text;
  }
}

/** A parsed value as a text to show. */
export function textOf(value) {
  return isKept(value) ? value.rawJSON : String(value ?? "");
}

function exact(value, source) {
  return source === undefined || String(value) === source || !JSON.rawJSON ? value : JSON.rawJSON(source);
}

const isKept = (value) => Boolean(JSON.isRawJSON?.(value));
