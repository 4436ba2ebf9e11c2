// From what a person drops or chooses to files: `{file, path, handle}`, the handle where a browser can keep one.
//
// Of folders only models and archives are taken, as by `comfyfleet assets add`; what is named itself is taken whatever it is.

/** Files of an `<input>`; of a folder each knows its path. @param {FileList} list */
export function ofInput(list) {
  return [...list].map((file) => ({ file, path: file.webkitRelativePath || file.name, handle: null }));
}

/** Files and folders that were dropped; to be called while the event is handled. @param {DataTransfer} transfer */
export async function ofDrop(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const found = await Promise.all(items.map(async (item) => {
    const file = item.getAsFile();
    const entry = item.webkitGetAsEntry?.();
    const handle = entry?.isFile ? await item.getAsFileSystemHandle?.().catch(() => null) : null;
    return entry?.isDirectory ? below(entry, `${entry.name}/`) : [{ file, path: file.name, handle: handle ?? null }];
  }));
  return found.flat();
}

/** Files by the browser's own picker, which gives handles. Only where `window.showOpenFilePicker` is. */
export async function ofPicker() {
  const handles = await showOpenFilePicker({ multiple: true }).catch(() => []); // closed without a choice
  return Promise.all(handles.map(async (handle) => ({ file: await handle.getFile(), path: handle.name, handle })));
}

async function below(folder, path) {
  const reader = folder.createReader();
  const found = [];
  for (let batch; (batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length > 0;) {
    for (const entry of batch) {
      if (entry.isDirectory) found.push(...(await below(entry, `${path}${entry.name}/`)));
      else found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path: path + entry.name, handle: null });
    }
  }
  return found;
}

/** Split what came from folders into what is taken and what is left out. @param {{suffixes: string[]}} rules */
export function sifted(found, rules) {
  const isTaken = ({ file, path }) => {
    if (!path.includes("/")) return true;
    const isHidden = path.split("/").slice(1).some((name) => name.startsWith("."));
    return !isHidden && file.size > 0 && rules.suffixes.some((suffix) => path.toLowerCase().endsWith(suffix));
  };
  return { taken: found.filter(isTaken), leftOut: found.filter((one) => !isTaken(one)) };
}

/** The kind that the innermost of ComfyUI's folders above a file tells, or null. @param {{kinds: object, archives: string[]}} rules */
export function kindByFolders(path, rules) {
  const [name, ...folders] = path.toLowerCase().split("/").reverse();
  if (rules.archives.some((suffix) => name.endsWith(suffix))) return null;
  const folder = folders.find((one) => Object.hasOwn(rules.kinds, one));
  const kind = folder === undefined ? null : rules.kinds[folder];
  return kind === "custom_node" ? null : kind; // a model that lies beside a node's code
}
