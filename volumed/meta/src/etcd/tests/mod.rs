mod conforms;
