// Starts a browser with its back/forward cache, which Playwright switches off.
import type { Browser, LaunchOptions, PlaywrightTestArgs, PlaywrightWorkerArgs } from "@playwright/test";

type Given = PlaywrightTestArgs & PlaywrightWorkerArgs & { readonly launchOptions: LaunchOptions };

/** A fixture: a browser with its back/forward cache, which Playwright switches off. */
export function ordinaryBrowser(...args: readonly string[]) {
  return async ({ playwright, launchOptions }: Given, use: (browser: Browser) => Promise<void>) => {
    const browser = await playwright.chromium.launch({
      ...launchOptions,
      args: [...(launchOptions.args ?? []), ...args],
      ignoreDefaultArgs: ["--disable-back-forward-cache"],
    });
    await use(browser);
    await browser.close();
  };
}
