// Which files were being uploaded, kept by browsers that can keep a handle of a file over a reload.

const STORE = "uploads";

/** Remember a file. @param {FileSystemFileHandle} handle @param {{kind: ?string, notes: string}} said */
export async function keep(handle, path, said) {
  await using((store) => store.put({ handle, path, said }, path));
}

/** Forget a file that has arrived, or was dropped. @param {string} path */
export async function forget(path) {
  await using((store) => store.delete(path));
}

/** Return the files that were on their way, as `{handle, path, said}`. */
export async function remembered() {
  return (await using((store) => store.getAll())) ?? [];
}

// A browser in private mode may refuse to keep anything: then nothing is remembered, and choosing the file again goes on.
function using(act) {
  return new Promise((resolve) => {
    const opening = indexedDB.open("comfyfleet", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onerror = () => resolve(null);
    opening.onsuccess = () => {
      const request = act(opening.result.transaction(STORE, "readwrite").objectStore(STORE));
      request.onsuccess = () => { resolve(request.result); opening.result.close(); };
      request.onerror = () => { resolve(null); opening.result.close(); };
    };
  });
}
