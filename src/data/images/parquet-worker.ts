/** The worker thread of `ParquetThread`: reads the requested file and sends its rows as they come. */
import { parentPort } from "node:worker_threads";
import { required } from "../../core/errors.ts";
import { type PortableError, toPortable } from "../../core/portable-error.ts";
import { readTable, type TableRequest, type TableRows } from "./parquet-table.ts";

/** A message of the thread: that it has started, then the rows and the end of each requested file. */
export type ParquetMessage =
  | { readonly isUp: true }
  | { readonly rows: TableRows }
  | { readonly names: readonly string[] | undefined }
  | { readonly error: PortableError };

const port = required(parentPort, "the port to the main thread");

function send(message: ParquetMessage, moved: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, moved);
}

port.on("message", (request: TableRequest) => {
  readTable(request, (rows) => send({ rows }, [rows.images.buffer])).then(
    (names) => send({ names }),
    (error: unknown) => send({ error: toPortable(error) }),
  );
});

send({ isUp: true });
