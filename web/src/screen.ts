// xterm.js, fetched when there is something to show on it.

import type { FitAddon } from "@xterm/addon-fit";
import type { ITerminalInitOnlyOptions, ITerminalOptions, Terminal } from "@xterm/xterm";

declare global {
  var mooringStyle: () => HTMLElement;
}

// A stand-in for the <style> elements of xterm.js, which the content security policy forbids: see build.js.
globalThis.mooringStyle = () => {
  const sheet = new CSSStyleSheet();
  const element = document.createElement("span");
  element.hidden = true;
  Object.defineProperty(element, "textContent", { set: (text: string) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    Element.prototype.remove.call(element);
  };
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  return element;
};

const THEME = {
  background: "#11161d",
  foreground: "#e8edf3",
  black: "#2b3643",
  red: "#ff8a80",
  green: "#6fd394",
  yellow: "#f0b45f",
  blue: "#7db7ff",
  magenta: "#d7a3ff",
  cyan: "#6fd6e0",
  white: "#d5dde6",
  brightBlack: "#8491a1",
};

export async function makeScreen(options: ITerminalOptions & ITerminalInitOnlyOptions): Promise<{ screen: Terminal; fit: FitAddon }> {
  const [{ Terminal: Screen }, { FitAddon: Fit }] = await Promise.all([import("@xterm/xterm"), import("@xterm/addon-fit")]);
  const screen = new Screen({
    fontFamily: "ui-monospace, monospace",
    fontSize: 14,
    screenReaderMode: true,
    theme: THEME,
    linkHandler: { activate: () => undefined }, // where a device's links lead is not for us to open
    ...options,
  });
  const fit = new Fit();
  screen.loadAddon(fit);
  return { screen, fit };
}
