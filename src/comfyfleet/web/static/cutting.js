// Cutting a video in the browser, so that only what is wanted is uploaded. The library is loaded when it is needed.

import { Refused } from "./api.js";

/**
 * Return the part of a video between two moments as a file of its own.
 * @param {File} file
 * @param {number} from seconds
 * @param {number} to seconds
 * @param {(done: number) => void} onProgress
 */
export async function cut(file, from, to, onProgress) {
  const media = await import("/static/vendor/mediabunny.min.js");
  for (const [format, type, suffix] of [[new media.Mp4OutputFormat(), "video/mp4", "mp4"], [new media.WebMOutputFormat(), "video/webm", "webm"]]) {
    const content = await convert(media, file, format, { start: from, end: to }, onProgress);
    if (content) return new File([content], `${file.name.replace(/\.[^.]*$/, "")}-cut.${suffix}`, { type, lastModified: file.lastModified });
  }
  throw new Refused("This browser cannot cut this video. Cut it with another program, and choose it again.");
}

async function convert(media, file, format, trim, onProgress) {
  const input = new media.Input({ source: new media.BlobSource(file), formats: media.ALL_FORMATS });
  const output = new media.Output({ format, target: new media.BufferTarget() });
  try {
    const conversion = await media.Conversion.init({ input, output, trim });
    const hasVideo = conversion.utilizedTracks.some((track) => track.type === "video");
    if (!conversion.isValid || !hasVideo) return null;
    conversion.onProgress = onProgress;
    await conversion.execute();
    return output.target.buffer;
  } catch (error) {
    console.info(`cutting as ${format.mimeType} failed: ${error.message}`);
    return null;
  } finally {
    input.dispose?.();
  }
}
