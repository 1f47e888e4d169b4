/**
 * Loads ONNX Runtime; nothing else may, for it has to be told first that it is not to report. Since 1.29 it keeps a device id and a
 * store of events in the user's cache folder, and sends them to its maker, unless `ORT_DISABLE_TELEMETRY` stands in the process's
 * environment when its library is loaded.
 */
import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";
import koffi from "koffi";

const SWITCH = "ORT_DISABLE_TELEMETRY";

/** Here, in the process itself, and in the processes that it starts. */
function switchTelemetryOff(): void {
  process.env[SWITCH] = "1";
  // A thread's `process.env` is a copy that the library, which asks the C library, never sees.
  if (isMainThread || process.platform === "win32") return;
  koffi.load(null).func("int setenv(const char *name, const char *value, int overwrite)")(SWITCH, "1", 1);
}

switchTelemetryOff();
// Required and not imported: an import would be hoisted above the line before.
export const onnxRuntime: typeof import("onnxruntime-node") = createRequire(import.meta.url)("onnxruntime-node");
