/**
 * Links to a run's files, to "Try it" and to measuring, and buttons to stop and resume it. Links that do not work yet
 * already have their place, so that nothing moves later.
 */
import { useState } from "preact/hooks";
import { formatBytes } from "../../../report/format.ts";
import type { RunDetail } from "../../protocol.ts";
import { api, fileAddress } from "../api.ts";
import { addresses } from "../router.ts";

const files = ["report.html", "compact.onnx", "network.onnx"] as const;

function File({
  run,
  file,
  bytes,
}: {
  readonly run: string;
  readonly file: string;
  readonly bytes: number | undefined;
}) {
  if (bytes === undefined) {
    return (
      <span class="file soft">
        {file} <span>later</span>
      </span>
    );
  }
  const how = file.endsWith(".onnx") ? { download: `${run}-${file}` } : { target: "_blank" };
  return (
    <a class="file" href={fileAddress(run, file)} {...how}>
      {file} <span class="soft">{formatBytes(bytes)}</span>
    </a>
  );
}

export function Controls({ detail }: { readonly detail: RunDetail }) {
  const [message, setMessage] = useState<string>();
  const { name, state, isOurs, files: stored, digest } = detail;
  const act = (doing: Promise<unknown>, done: string): void => {
    setMessage(done);
    doing.catch((error: Error) => setMessage(error.message));
  };
  const bytesOf = (file: string): number | undefined => stored.find((one) => one.name === file)?.bytes;
  const isElsewhere = state === "training" && !isOurs;
  return (
    <div class="controls">
      {bytesOf("compact.onnx") === undefined ? (
        <span key="try" class="button off">
          Try it
        </span>
      ) : (
        <a key="try" class="button" href={addresses.try(name)}>
          Try it
        </a>
      )}
      <a key="measure" class="button" href={addresses.measure(name)}>
        Measure device
      </a>
      {files.map((file) => (
        <File key={file} run={name} file={file} bytes={bytesOf(file)} />
      ))}
      <span class="act">
        {state === "training" && isOurs && (
          <button type="button" onClick={() => act(api.stop(name), "stopping after this step …")}>
            Stop
          </button>
        )}
        {state !== "training" && digest.finished === null && (
          <button type="button" onClick={() => act(api.resume(name), "resuming …")}>
            Resume
          </button>
        )}
      </span>
      <span role="status" class="soft">
        {isElsewhere ? "started in a terminal: stop it there with Ctrl-C" : message}
      </span>
    </div>
  );
}
