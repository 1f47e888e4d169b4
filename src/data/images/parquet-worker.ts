/** The thread behind `ParquetThread`: reads the file it is told to and hands on its rows as they come. */
import { parentPort } from "node:worker_threads";
import { required } from "../../core/errors.ts";
import { type PortableError, toPortable } from "../../core/portable-error.ts";
import { readTable, type TableRows } from "./parquet-table.ts";

/** What the thread says: once that it is up, then about the file it was sent the path of. */
export type ParquetMessage =
  | { readonly isUp: true }
  | { readonly rows: TableRows }
  | { readonly names: readonly string[] | undefined }
  | { readonly error: PortableError };

const port = required(parentPort, "the port to the main thread");

function say(message: ParquetMessage, moved: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, moved);
}

port.on("message", (path: string) => {
  readTable(path, (rows) => say({ rows }, [rows.images.buffer])).then(
    (names) => say({ names }),
    (error: unknown) => say({ error: toPortable(error) }),
  );
});

say({ isUp: true });
