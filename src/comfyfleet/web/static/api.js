// Calls of the JSON API and uploads with progress.

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

export async function upload(file, onProgress) {
  const ticket = await call("POST", "/api/uploads", {
    filename: file.name,
    content_type: file.type || "application/octet-stream",
    size: file.size,
  });
  await put(ticket, file, onProgress);
  return ticket.upload_id;
}

function put(ticket, file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", ticket.put_url);
    for (const [name, value] of Object.entries(ticket.headers)) {
      if (name.toLowerCase() !== "content-length") request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => onProgress(event.loaded / file.size);
    request.onload = () => (request.status < 300 ? resolve() : reject(new Refused(`Storage refused the upload (${request.status}).`)));
    request.onerror = () => reject(new Refused("The connection was lost during the upload. Try again."));
    request.send(file);
  });
}
