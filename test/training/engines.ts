/** Which engine a test can use on this machine. */
import { EspalierError } from "../../src/core/errors.ts";
import type { EngineName } from "../../src/engine/create.ts";
import { EngineHost } from "../../src/engine/host.ts";

/** Whether `engine` starts here; where it is not installed, says so aloud. */
export async function isInstalled(engine: EngineName): Promise<boolean> {
  try {
    await (await EngineHost.start({ engine })).dispose();
    return true;
  } catch (error) {
    if (!(error instanceof EspalierError) || error.code !== "engine-missing") throw error;
    console.warn(`not installed here: ${error.message}`);
    return false;
  }
}
