/**
 * Formats numbers for the report and the terminal.
 */

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** `40,813,184`. */
export function formatCount(value: number): string {
  return grouped.format(value);
}

/** Three significant digits and a prefix: `40.8 M`, `270 k`, `1.25 G`; a whole number below a thousand. */
export function formatQuantity(value: number): string {
  const units = ["", " k", " M", " G", " T"];
  let scaled = value;
  let unit = 0;
  // 999.5 would be rounded to 1000.
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${unit === 0 ? `${Math.round(scaled)}` : significant(scaled)}${units[unit]}`;
}

/** `1.09 MB`, in decimal units as `ls --si`. */
export function formatBytes(bytes: number): string {
  const quantity = formatQuantity(bytes);
  return quantity.includes(" ") ? `${quantity}B` : `${quantity} B`;
}

/** `82.7 %`. */
export function formatPercent(percent: number, digits = 1): string {
  return `${percent.toFixed(digits)} %`;
}

/** `part` of `whole` in percent; 100 if `whole` is zero. */
export function percentOf(part: number, whole: number): number {
  return whole === 0 ? 100 : (100 * part) / whole;
}

/** `0.412 ms`. */
export function formatMilliseconds(milliseconds: number): string {
  return `${significant(milliseconds)} ms`;
}

/** `48 s`, `3 min 05 s`, `2 h 14 min`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** `3.1e-7` for very small numbers, decimals otherwise. */
export function formatSmall(value: number): string {
  if (value === 0) return "0";
  return Math.abs(value) < 1e-3 ? value.toExponential(1) : significant(value);
}

/** Three significant digits without an exponent for 0.001 … 999. */
function significant(value: number): string {
  // Round first: 0.9996 becomes 1.00.
  const rounded = Math.abs(Number(value.toPrecision(3)));
  const magnitude = rounded === 0 ? 0 : Math.floor(Math.log10(rounded));
  return value.toFixed(Math.min(5, Math.max(0, 2 - magnitude)));
}

/** `1 layer`, `3 layers`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** `1 epoch`, `0.8 epochs`. */
export function formatEpochs(epochs: number): string {
  const rounded = Number(epochs < 1 ? epochs.toPrecision(2) : epochs.toFixed(1));
  return `${rounded} ${rounded === 1 ? "epoch" : "epochs"}`;
}
