/** Run by `faults.test.ts`: the gradient of weights of images 512 pixels wide, by the library's AMX kernel for it. */
import { oneDnn } from "../../../src/engine/onednn/ffi/library.ts";
import { weightGradient } from "./weight-gradient.ts";

const library = oneDnn();
library.calls.setThreads(1);
weightGradient(library, [2, 32, 8, 512], 1, /^jit:.*amx/);
console.log("done");
