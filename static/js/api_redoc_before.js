// Redoc writes its looks into <style> elements, draws one arrow from a data: address and asks its maker's host for a
// logo. Our content security policy allows none of that, and stays as it is: here the rules go into style sheets of the
// object model, which the policy allows, without pictures, and pictures from elsewhere are not asked for.
(() => {
  const make = document.createElement.bind(document);
  const withoutPictures = (rules) => rules.replace(/url\((["']?)data:[^)]*\)/g, "none");

  const styleElement = () => {
    const sheet = new CSSStyleSheet();
    const insert = sheet.insertRule.bind(sheet);
    sheet.insertRule = (rule, index) => insert(withoutPictures(rule), index);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    // Takes a place in the page like a <style>, and nothing more.
    const element = make("template");
    element.sheet = sheet;
    element.appendChild = (text) => {
      if (text.data) sheet.replaceSync(withoutPictures(text.data));
      return text;
    };
    return element;
  };

  document.createElement = (name, options) => (name === "style" ? styleElement() : make(name, options));

  const source = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
  const setAttribute = HTMLImageElement.prototype.setAttribute;
  const isOurs = (address) => new URL(address, location.href).origin === location.origin;
  Object.defineProperty(HTMLImageElement.prototype, "src", {
    ...source,
    set(address) {
      if (isOurs(address)) source.set.call(this, address);
      else this.hidden = true;
    },
  });
  HTMLImageElement.prototype.setAttribute = function (name, value) {
    if (name !== "src" || isOurs(value)) setAttribute.call(this, name, value);
    else this.hidden = true;
  };
})();
