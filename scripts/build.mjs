/** `npm run build`: compiles src/ to dist/. */
import { build, runScript } from "./setup.mjs";

await runScript(async () => {
  build();
  return 0;
});
