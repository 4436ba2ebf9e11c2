// The values of a test run: read from its fields, with files uploaded.

import { uploadFile } from "./user_upload.js";
import { checkFile, readValues } from "./values.js";

/**
 * @param {HTMLElement} form
 * @param {(words: string, done: number) => void} say hears how far an upload is, from 0 to 1
 */
export function testValues(form, say) {
  return readValues(form, async (input) => {
    const file = input.files[0];
    if (!file) return undefined;
    checkFile(file, input.dataset.type);
    const told = { onBytes: (sent) => say(`Uploading ${file.name}`, sent / file.size), onTrouble: () => {} };
    return uploadFile(file, told, new AbortController().signal);
  });
}
