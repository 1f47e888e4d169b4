/** `npm run build`: compiles src/ to dist/. */
import { build } from "./setup.mjs";
import { runScript } from "./shell.mjs";

await runScript(async () => {
  build();
  return 0;
});
