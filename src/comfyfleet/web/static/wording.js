// Figures in words, as `core/wording.py` says them.

/** A number of bytes, such as `6.9 GB`; a dash for none. */
export function sizeText(size) {
  if (size === null || size === undefined) return "-";
  let amount = size;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (amount < 1000) return unit === "B" ? `${amount} B` : `${amount.toFixed(1)} ${unit}`;
    amount /= 1000;
  }
  return `${amount.toFixed(1)} TB`;
}

/** How many of something there are, such as `1 asset` or `2 assets`. */
export function countText(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** A span of time by its two largest units, such as `2 h 5 min`; a dash for none. */
export function spanText(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "-";
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const parts = [];
  let left = Math.floor(seconds);
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    const count = Math.floor(left / size);
    left %= size;
    if (count) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}
