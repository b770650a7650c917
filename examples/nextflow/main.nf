// A movie is a task. Results go to one folder that all tasks share, so that a task that is tried again, on whichever
// machine, goes on where the last one stopped.
//
//     nextflow run main.nf --movies '/data/night/*.tif' --results /data/results

params.movies = null      // a pattern of movies; those of seeds (NAME_seeds.tif) are passed over
params.results = 'results'

process propagate {
    tag { name }
    cpus 4
    memory '16 GB'
    // 2: the movie or its seeds are wrong, and trying again does not help. All else (130, 137, 143, 1) is tried again.
    errorStrategy { task.exitStatus == 2 ? 'ignore' : 'retry' }
    maxRetries 3

    input:
    tuple val(name), val(movie), val(seeds)

    output:
    val name

    script:
    """
    napari-xmem propagate '${movie}' --seeds '${seeds}' -o '${file(params.results).toAbsolutePath()}/${name}_labels.tif' --resume --threads ${task.cpus} --quiet --json '${file(params.results).toAbsolutePath()}/${name}.json' --log '${file(params.results).toAbsolutePath()}/${name}.log'
    """
}

workflow {
    file(params.results).mkdirs()
    Channel.fromPath(params.movies, checkIfExists: true)
        .filter { !it.baseName.endsWith('_seeds') }
        .map { movie -> tuple(movie.baseName, movie, movie.parent.resolve("${movie.baseName}_seeds.tif")) }
        | propagate
}
