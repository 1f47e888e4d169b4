/**
 * Prints as JSON whether oneDNN can be used here, and what set-up needs to get it: a process of its own, since whether
 * a library loads is known once it is loaded.
 */
import { libraryFolder } from "../src/core/cache-folder.ts";
import { UserError } from "../src/core/errors.ts";
import { installAdvice, systemFacts } from "../src/engine/onednn/ffi/install.ts";
import { oneDnn } from "../src/engine/onednn/ffi/library.ts";

function report(): object {
  try {
    const { version, file } = oneDnn();
    return { usable: true, version, ...file };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { hint = "", list = [] } = error.details;
    const message = [error.message.replace(`. ${hint}`, ""), ...list].join("; ");
    const facts = systemFacts();
    return { usable: false, message, hint, howToInstall: installAdvice(facts), aptPackage: facts.aptPackage };
  }
}

console.log(JSON.stringify({ ...report(), folder: libraryFolder() }));
