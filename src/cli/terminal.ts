/** What the place we print to can do: redraw lines, show colours, how wide it is. */
import { Chalk, type ChalkInstance, supportsColor } from "chalk";
import stringWidth from "string-width";

/** A stream that may be a terminal. */
export interface OutputStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Terminal {
  readonly stream: OutputStream;
  /** Lines may be redrawn: a real terminal, and not a build server's log. */
  readonly isLive: boolean;
  readonly colours: ChalkInstance;
  /** Columns, as of now. */
  width(): number;
  print(line?: string): void;
}

/** The variables that decide; `process.env` has them. */
interface Environment {
  readonly NO_COLOR?: string | undefined;
  readonly FORCE_COLOR?: string | undefined;
  readonly CI?: string | undefined;
  readonly TERM?: string | undefined;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== "";
}

/** 0 without colours (https://no-color.org), else what the terminal is known to show. */
function colourLevel(stream: OutputStream, environment: Environment): 0 | 1 | 2 | 3 {
  if (isSet(environment.NO_COLOR)) return 0;
  if (stream.isTTY !== true && !isSet(environment.FORCE_COLOR)) return 0;
  return supportsColor === false ? 0 : supportsColor.level;
}

export function terminalOf(stream: OutputStream, environment: Environment = process.env): Terminal {
  const isLive = stream.isTTY === true && !isSet(environment.CI) && environment.TERM !== "dumb";
  return {
    stream,
    isLive,
    colours: new Chalk({ level: colourLevel(stream, environment) }),
    width: () => (stream.columns === undefined || stream.columns < 1 ? 80 : stream.columns),
    print: (line = "") => {
      stream.write(`${line}\n`);
    },
  };
}

/** One that nothing is printed to. */
export function silentTerminal(stream: OutputStream): Terminal {
  return { ...terminalOf(stream, { NO_COLOR: "1", CI: "1" }), print: () => {} };
}

/**
 * As many of `parts`, joined by `separator`, as fit into `width` columns: the last ones are left out first. Escape
 * codes take no room.
 */
export function fitParts(parts: readonly string[], width: number, separator = "  "): string {
  let text = parts[0] ?? "";
  for (const part of parts.slice(1)) {
    const longer = text + separator + part;
    if (stringWidth(longer) > width) break;
    text = longer;
  }
  return text;
}

/** `text` filled with blanks on the left up to `width` columns. */
export function alignRight(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - stringWidth(text))) + text;
}
