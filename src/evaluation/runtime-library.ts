/**
 * Loads ONNX Runtime, where it is installed; nothing else may, for it has to be told first that it is not to report.
 * Since 1.29 it keeps a device id and a store of events in the user's cache folder, and sends them to its maker, unless
 * `ORT_DISABLE_TELEMETRY` stands in the process's environment when its library is loaded.
 */
import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";
import koffi from "koffi";
import { UserError } from "../core/errors.ts";

export type OnnxRuntime = typeof import("onnxruntime-node");

const PACKAGE = "onnxruntime-node";
const SWITCH = "ORT_DISABLE_TELEMETRY";
/** Its install script would download CUDA libraries, which nothing here uses. */
export const runtimeInstallCommand = "npm install --ignore-scripts onnxruntime-node@1.30";

const require = createRequire(import.meta.url);
let loaded: OnnxRuntime | undefined;

/** Here, in the process itself, and in the processes that it starts. */
function switchTelemetryOff(): void {
  process.env[SWITCH] = "1";
  // A thread's `process.env` is a copy that the library, which asks the C library, never sees.
  if (isMainThread || process.platform === "win32") return;
  koffi.load(null).func("int setenv(const char *name, const char *value, int overwrite)")(SWITCH, "1", 1);
}

/** Whether ONNX Runtime is installed; it is an optional peer of this package. */
export function hasOnnxRuntime(): boolean {
  try {
    require.resolve(PACKAGE);
    return true;
  } catch {
    return false;
  }
}

/** Throws `UserError("engine-missing")` where ONNX Runtime is not installed. */
export function requireOnnxRuntime(): void {
  if (hasOnnxRuntime()) return;
  throw new UserError("engine-missing", "ONNX Runtime is not installed", { hint: `Type: ${runtimeInstallCommand}` });
}

/** ONNX Runtime. Throws `UserError("engine-missing")` where it is not installed or cannot be loaded. */
export function onnxRuntime(): OnnxRuntime {
  if (loaded !== undefined) return loaded;
  requireOnnxRuntime();
  switchTelemetryOff();
  try {
    const library: OnnxRuntime = require(PACKAGE);
    loaded = library;
    return library;
  } catch (cause) {
    throw new UserError("engine-missing", "ONNX Runtime is installed, but cannot be loaded", {
      hint: `Install it anew: ${runtimeInstallCommand}`,
      cause,
    });
  }
}

/** Its version; errors as of `onnxRuntime`. */
export function onnxRuntimeVersion(): string {
  const { versions } = onnxRuntime().env;
  return versions.node ?? versions.common;
}
