// Calls of the JSON API.

export class Refused extends Error {
  /** @param {string} message @param {number} status @param {string} code */
  constructor(message, status = 0, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** Whether the same call may work in a moment. */
  get isPassing() {
    return this.status >= 500 || this.status === 429;
  }
}

export async function call(method, path, body, headers = {}) {
  const response = await fetch(path, {
    method,
    headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({ message: `The server answered ${response.status}.` }));
  if (!response.ok) {
    throw new Refused([answer.message, answer.error?.hint].filter(Boolean).join(" "), response.status, answer.error?.code);
  }
  return answer.data;
}
