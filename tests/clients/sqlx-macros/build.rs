fn main() {
    watertight_build::track();
}
