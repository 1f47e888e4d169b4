/**
 * Loads ONNX Runtime, if it is installed. No other file may load it, because telemetry must be switched off first.
 * Since version 1.29 it stores a device id and events in the user's cache folder and sends them to its maker, unless
 * `ORT_DISABLE_TELEMETRY` is in the process's environment when the library is loaded.
 */
import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";
import koffi from "koffi";
import { UserError } from "../core/errors.ts";

export type OnnxRuntime = typeof import("onnxruntime-node");

const PACKAGE = "onnxruntime-node";
const SWITCH = "ORT_DISABLE_TELEMETRY";
/** Without install scripts, because they would download CUDA libraries, which Espalier does not use. */
export const runtimeInstallCommand = "npm install --ignore-scripts onnxruntime-node@1.30";

const require = createRequire(import.meta.url);
let loaded: OnnxRuntime | undefined;

/** Sets the variable for this process and its child processes. */
function switchTelemetryOff(): void {
  process.env[SWITCH] = "1";
  // In a worker thread `process.env` is a copy. The library reads the C environment, so set that one.
  if (isMainThread || process.platform === "win32") return;
  koffi.load(null).func("int setenv(const char *name, const char *value, int overwrite)")(SWITCH, "1", 1);
}

/** Whether ONNX Runtime is installed; it is an optional peer dependency. */
export function hasOnnxRuntime(): boolean {
  try {
    require.resolve(PACKAGE);
    return true;
  } catch {
    return false;
  }
}

/** Throws `UserError("engine-missing")` if ONNX Runtime is not installed. */
export function requireOnnxRuntime(): void {
  if (hasOnnxRuntime()) return;
  throw new UserError("engine-missing", "ONNX Runtime is not installed", { hint: `Run: ${runtimeInstallCommand}` });
}

/** ONNX Runtime. Throws `UserError("engine-missing")` if it is not installed or cannot be loaded. */
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
      hint: `Install it again: ${runtimeInstallCommand}`,
      cause,
    });
  }
}

/** Version of ONNX Runtime. Throws the errors of `onnxRuntime`. */
export function onnxRuntimeVersion(): string {
  const { versions } = onnxRuntime().env;
  return versions.node ?? versions.common;
}
