// Taking a picture or a clip with the camera of a computer; phones open their own camera by the file field.

const part = (id) => document.getElementById(id);

/** Whether this browser can use a camera from a page. */
export const hasCamera = () => Boolean(navigator.mediaDevices?.getUserMedia && globalThis.MediaRecorder);

/**
 * Let the person take a picture or a clip; returns a file, or null when the dialog is closed.
 * @param {"image" | "video"} kind
 * @param {number | null} maxSeconds
 */
export async function takeWithCamera(kind, maxSeconds) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: kind === "video" });
  const view = part("camera-view");
  view.srcObject = stream;
  await view.play();
  part("camera-take").textContent = kind === "image" ? "Take a picture" : "Record";
  part("camera").showModal();
  try {
    return await new Promise((resolve) => {
      part("camera-close").onclick = () => resolve(null);
      part("camera").oncancel = () => resolve(null);
      part("camera-take").onclick = () => (kind === "image" ? snap(view, resolve) : record(stream, maxSeconds, resolve));
    });
  } finally {
    part("camera").close();
    for (const track of stream.getTracks()) track.stop();
  }
}

function snap(view, resolve) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: view.videoWidth, height: view.videoHeight });
  canvas.getContext("2d").drawImage(view, 0, 0);
  canvas.toBlob((blob) => resolve(new File([blob], "camera.png", { type: "image/png" })), "image/png");
}

function record(stream, maxSeconds, resolve) {
  const recorder = new MediaRecorder(stream);
  const pieces = [];
  recorder.ondataavailable = (event) => pieces.push(event.data);
  recorder.onstop = () => {
    const type = recorder.mimeType.split(";")[0] || "video/webm";
    resolve(new File(pieces, `camera.${type.endsWith("mp4") ? "mp4" : "webm"}`, { type }));
  };
  recorder.start(1000);
  part("camera-take").textContent = "Stop";
  part("camera-take").onclick = () => recorder.stop();
  if (maxSeconds) setTimeout(() => recorder.state === "recording" && recorder.stop(), maxSeconds * 1000);
}
