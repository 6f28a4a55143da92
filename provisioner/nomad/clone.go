package nomad

import "reflect"

// clone copies a value and what it points to: pointers, slices, maps and structs' exported fields.
func clone[T any](v T) T {
	var out T
	to := reflect.ValueOf(&out).Elem()
	cloneInto(to, reflect.ValueOf(&v).Elem())
	return out
}

func cloneInto(to, from reflect.Value) {
	switch kind := from.Kind(); {
	case kind == reflect.Struct:
		to.Set(from)
		for i := range from.NumField() {
			if to.Field(i).CanSet() {
				cloneInto(to.Field(i), from.Field(i))
			}
		}
	case kind == reflect.Pointer && !from.IsNil():
		to.Set(reflect.New(from.Type().Elem()))
		cloneInto(to.Elem(), from.Elem())
	case kind == reflect.Slice && !from.IsNil():
		to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
		for i := range from.Len() {
			cloneInto(to.Index(i), from.Index(i))
		}
	case kind == reflect.Map && !from.IsNil():
		to.Set(reflect.MakeMapWithSize(from.Type(), from.Len()))
		for each := from.MapRange(); each.Next(); {
			value := reflect.New(from.Type().Elem()).Elem()
			cloneInto(value, each.Value())
			to.SetMapIndex(each.Key(), value)
		}
	case kind == reflect.Interface && !from.IsNil():
		value := reflect.New(from.Elem().Type()).Elem()
		cloneInto(value, from.Elem())
		to.Set(value)
	default:
		to.Set(from)
	}
}
