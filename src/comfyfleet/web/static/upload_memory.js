// Which files were being uploaded, kept by browsers that can keep a handle of a file over a reload.

const STORE = "uploads";

/** Remember a file. @param {FileSystemFileHandle} handle @param {object} words */
export async function keep(handle, words) {
  await using((store) => store.put({ handle, words }, keyOf(handle)));
}

/** Forget a file that has arrived. @param {FileSystemFileHandle} handle */
export async function forget(handle) {
  await using((store) => store.delete(keyOf(handle)));
}

/** Return the files that were on their way. */
export async function remembered() {
  return (await using((store) => store.getAll())) ?? [];
}

function keyOf(handle) {
  return handle.name;
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
