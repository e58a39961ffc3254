namespace leaven::train {}
