/** Opens an address in the user's browser. If that fails, a notice refers to the printed address. */
import open from "open";
import { type Context, printNotice } from "./context.ts";

export async function openInBrowser(context: Context, address: string): Promise<void> {
  const onError = (): void => printNotice(context, "no browser could be opened; the address is above");
  try {
    const browser = await open(address);
    browser.on("error", onError);
  } catch {
    onError();
  }
}
