/** `npm test [vitest arguments]`: sets up what is missing, then runs the tests. */
import { join } from "node:path";
import { offerForTests, setUp } from "./setup.mjs";
import { root, runAttached, runScript } from "./shell.mjs";

await runScript(async () => {
  setUp();
  offerForTests();
  return runAttached(process.execPath, [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    ...process.argv.slice(2),
  ]);
});
