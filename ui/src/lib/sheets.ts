/** A style element whose text becomes a constructed sheet, for as long as it is in the page. */
const sheetElement = (): HTMLStyleElement => {
  const element = document.createElement("style");
  const sheet = new CSSStyleSheet();
  Object.defineProperty(element, "textContent", {
    set: (text: string) => {
      sheet.replaceSync(text);
      if (!document.adoptedStyleSheets.includes(sheet)) document.adoptedStyleSheets.push(sheet);
    },
  });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    HTMLElement.prototype.remove.call(element);
  };
  return element;
};

/**
 * The document for xterm, which writes style elements at run time. The window's policy
 * has no `unsafe-inline`, so their text goes into constructed sheets.
 */
export const sheetDocument = (): Document =>
  new Proxy(document, {
    get(target, key) {
      if (key === "createElement") {
        return (name: string) => (name === "style" ? sheetElement() : target.createElement(name));
      }
      const value: unknown = Reflect.get(target, key, target);
      // The document's own methods refuse any other receiver.
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
